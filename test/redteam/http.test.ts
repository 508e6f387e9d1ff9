import { playRoom } from './support.js';

playRoom('http');
