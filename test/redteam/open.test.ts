import { playRoom } from './support.js';

playRoom('open');
