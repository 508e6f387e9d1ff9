import { playRoom } from './support.js';

playRoom('slow');
