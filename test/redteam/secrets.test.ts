import { playRoom } from './support.js';

playRoom('secrets');
