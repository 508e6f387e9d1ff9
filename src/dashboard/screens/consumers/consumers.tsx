import { access } from '../../state/access.js';
import { consumersPollMs } from '../../state/consumers-poll.js';
import { place } from '../../state/place.js';
import { usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';
import { ConsumerList } from './consumer-list.js';
import { ConsumerPage } from './consumer-page.js';
import { Sinks } from './sinks.js';
import './consumers.css';

/** The durable consumers of the bus, or the one that the address names: `consumer=NAME`. */
export default function Consumers() {
  const name = place.value.parameters.get('consumer') ?? '';
  return (
    <div class="consumers">{name === '' ? <Lists /> : <ConsumerPage key={name} name={name} />}</div>
  );
}

/** The figures of sinks are those of the whole bus. Both lists need the consumers, which are asked for once. */
function Lists() {
  const consumers = usePolled(() => client().consumers(), consumersPollMs).value;
  return (
    <>
      <ConsumerList {...consumers} />
      {access.value.mayAdminister && <Sinks consumers={consumers} />}
    </>
  );
}
