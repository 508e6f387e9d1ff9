import { playRoom } from './support.js';

playRoom('tables');
