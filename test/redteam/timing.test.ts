import { playRoom } from './support.js';

playRoom('timing');
