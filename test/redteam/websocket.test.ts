import { playRoom } from './support.js';

playRoom('websocket');
