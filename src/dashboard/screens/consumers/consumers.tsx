import { ConsumerList } from './consumer-list.js';
import './consumers.css';

/** The durable consumers of the bus. */
export default function Consumers() {
  return (
    <div class="consumers">
      <ConsumerList />
    </div>
  );
}
