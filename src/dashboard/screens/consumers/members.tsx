import type { MemberInfo } from 'millrace/client';
import { counted, dateAndClock, whole } from '../../text/format.js';
import { Scrolled } from './scrolled.js';

/** The members of a consumer, with what each has in hand. */
export function Members({ members }: { readonly members: readonly MemberInfo[] }) {
  return (
    <section class="card" aria-labelledby="members-title">
      <header>
        <h2 id="members-title">Members</h2>
        <span class="soft">{counted(members.length, 'member')}</span>
      </header>
      {members.length === 0 ? (
        <p class="empty">Nobody takes its events now.</p>
      ) : (
        <Scrolled label="Members: rows">
          <table aria-labelledby="members-title">
            <thead>
              <tr>
                <th>Member</th>
                <th>Where</th>
                <th class="number">At once</th>
                <th class="number">In flight</th>
                <th>Since</th>
              </tr>
            </thead>
            <tbody>
              {members.map((member, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: members have no identity but their place.
                <MemberRow key={index} member={member} />
              ))}
            </tbody>
          </table>
        </Scrolled>
      )}
    </section>
  );
}

function MemberRow({ member }: { readonly member: MemberInfo }) {
  const { name, endpoint, principal, connection, concurrency, inFlight, isDetached, since } =
    member;
  const where = [principal, connection && `connection ${connection}`, endpoint];
  return (
    <tr>
      <th scope="row" class="named-cell">
        {name ?? <span class="soft">no name</span>}
      </th>
      <td class="named-cell">
        {where.filter(Boolean).join(', ')}{' '}
        {isDetached && <span class="tag">over HTTP: its leases outlive connections</span>}
      </td>
      <td class="number">{whole(concurrency)}</td>
      <td class="number">{whole(inFlight)}</td>
      <td>{dateAndClock(since)}</td>
    </tr>
  );
}
