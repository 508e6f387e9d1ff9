import { playRoom } from './support.js';

playRoom('dashboard');
