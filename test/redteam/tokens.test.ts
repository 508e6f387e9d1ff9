import { playRoom } from './support.js';

playRoom('tokens');
