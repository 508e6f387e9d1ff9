import { playRoom } from './support.js';

playRoom('input');
