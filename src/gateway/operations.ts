import { isAbsolute } from 'node:path';
import type { ConnectionRates } from '../auth/rate-limiter.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import type { AlertInfo, AlertList, AlertRuleInput } from '../protocol/alerts.js';
import type { BusStats, SubscriberInfo } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type {
  AccessInfo,
  BackupResult,
  ConnectionList,
  DefinitionInfo,
  Figures,
  PruneResult,
  PruneSelection,
} from '../protocol/operations.js';
import { patternsOverlap } from '../protocol/patterns-overlap.js';
import { quote } from '../protocol/quote.js';
import type { Act, Administrator, Audit } from './audit.js';
import type { FiguresHistory } from './figures/figures-history.js';
import type { Peers } from './peers.js';
import { assertMayAdminister, visibleSubscribers } from './permissions.js';

/** The client on whose behalf a call is made. */
export interface Operator extends Administrator {
  readonly rates: Pick<ConnectionRates, 'query' | 'administer'>;
}

/**
 * The calls of operators, the same for every door: each checks the grants of its asker, and acts are audited. A gateway
 * has one; one thread uses it.
 */
export class Operations {
  readonly #endpoint: BusEndpoint;
  readonly #audit: Audit;
  readonly #figures: FiguresHistory;
  readonly #peers: Peers;

  constructor(endpoint: BusEndpoint, audit: Audit, figures: FiguresHistory, peers: Peers) {
    this.#endpoint = endpoint;
    this.#audit = audit;
    this.#figures = figures;
    this.#peers = peers;
  }

  access({ principal }: Operator): AccessInfo {
    const { name, access, forcedSource } = principal;
    const info = { principal: name, ...access };
    return forcedSource === undefined ? info : { ...info, source: forcedSource };
  }

  /** The registered topics to which the asker may publish, at least in part. @throws BusError `BUS_CLOSED` */
  async definitions({ principal, rates }: Operator): Promise<DefinitionInfo[]> {
    rates.query();
    const granted = principal.access.publish;
    const all = (await internalsOf(this.#endpoint)?.gateways.definitions()) ?? [];
    return all.filter(({ pattern }) => granted.some((grant) => patternsOverlap(grant, pattern)));
  }

  /** @throws BusError `FORBIDDEN` */
  async stats({ principal, rates }: Operator): Promise<BusStats> {
    assertMayAdminister(principal, '*');
    rates.query();
    return this.#endpoint.stats();
  }

  /** @throws BusError `FORBIDDEN` */
  figures({ principal, rates }: Operator, after: number | undefined): Figures {
    assertMayAdminister(principal, '*');
    rates.query();
    return this.#figures.since(after);
  }

  /** The connections of all gateways. @throws BusError `FORBIDDEN`, `BUS_CLOSED` */
  async connections({ principal, rates }: Operator): Promise<ConnectionList> {
    assertMayAdminister(principal, '*');
    rates.query();
    return this.#peers.connections();
  }

  /**
   * Cuts one connection of any gateway.
   *
   * @throws BusError `FORBIDDEN`, `RATE_LIMITED`; `NOT_FOUND` if there is no such connection; `TIMEOUT` if a gateway has
   * not answered
   */
  disconnect(asking: Operator, id: string): Promise<void> {
    return this.#act('disconnect', asking, '*', id, async () => {
      if (await this.#peers.disconnect(id)) return;
      throw new BusError('NOT_FOUND', `there is no connection ${quote(id)}`);
    });
  }

  /** @throws BusError `FORBIDDEN`, `TOPIC_INVALID` */
  async subscribers(
    { principal, rates }: Operator,
    topic: string | undefined,
  ): Promise<SubscriberInfo[]> {
    // The names and lags of subscribers are for administrators of the topic only.
    assertMayAdminister(principal, topic ?? '*');
    rates.query();
    return visibleSubscribers(principal, await this.#endpoint.subscribers(topic));
  }

  /** @throws BusError `FORBIDDEN` */
  async alerts({ principal, rates }: Operator): Promise<AlertList> {
    assertMayAdminister(principal, '*');
    rates.query();
    return this.#endpoint.alerts();
  }

  /**
   * `rule` is checked by the bus.
   * @throws BusError `FORBIDDEN`, `RATE_LIMITED`, and all that `setAlert` of the bus throws
   */
  setAlert(asking: Operator, rule: AlertRuleInput): Promise<AlertInfo> {
    return this.#act('setAlert', asking, '*', rule.name, () => this.#endpoint.setAlert(rule));
  }

  /** @throws BusError `FORBIDDEN`, `RATE_LIMITED`, and all that `removeAlert` of the bus throws */
  removeAlert(asking: Operator, name: string): Promise<{ readonly removed: boolean }> {
    return this.#act('removeAlert', asking, '*', name, () => this.#endpoint.removeAlert(name));
  }

  /**
   * Backs the bus up into a directory of the server's machine.
   *
   * @throws BusError `FORBIDDEN`, `RATE_LIMITED`, `OPTION_INVALID`, and all that `backup` of the bus throws
   */
  backup(asking: Operator, dir: string): Promise<BackupResult> {
    return this.#act('backup', asking, '*', dir, () => {
      if (isAbsolute(dir)) return this.#endpoint.backup(dir);
      const message = `backup: ${quote(dir)} is not an absolute path, and the server has a working directory of its own`;
      throw new BusError('OPTION_INVALID', message, { details: { dir: quote(dir) } });
    });
  }

  /** @throws BusError `FORBIDDEN`, `RATE_LIMITED`, and all that `prune` of the bus throws */
  prune(asking: Operator, selection: PruneSelection): Promise<PruneResult> {
    const pattern = selection.pattern ?? '*';
    return this.#act('prune', asking, pattern, pattern, () => this.#endpoint.prune(selection));
  }

  /**
   * Does an act of an administrator of `pattern`, and notes it. The rate comes first: it bounds what those cost as well
   * who may do nothing.
   */
  #act<T>(
    act: Act,
    asking: Operator,
    pattern: string,
    what: string,
    work: () => Promise<T>,
  ): Promise<T> {
    return this.#audit.administer(act, asking, what, async () => {
      asking.rates.administer();
      assertMayAdminister(asking.principal, pattern);
      return work();
    });
  }
}
