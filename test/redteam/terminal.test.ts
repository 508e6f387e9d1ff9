import { playRoom } from './support.js';

playRoom('terminal');
