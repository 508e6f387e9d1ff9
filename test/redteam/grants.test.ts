import { playRoom } from './support.js';

playRoom('grants');
