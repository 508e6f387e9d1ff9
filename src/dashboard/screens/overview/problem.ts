export type Severity = 'bad' | 'warning' | 'info';

/** A fault of the bus in words, with the place that shows more of it. */
export interface Problem {
  readonly severity: Severity;
  readonly text: string;
  /** A place in the dashboard. */
  readonly link: {
    readonly screen: 'overview' | 'subscribers' | 'consumers' | 'alerts';
    readonly parameters: Readonly<Record<string, string>>;
  };
}

const ORDER: readonly Severity[] = ['bad', 'warning', 'info'];

/** The worst first; those that are equally bad stay in their order. */
export function worstFirst(problems: readonly Problem[]): Problem[] {
  const rank = ({ severity }: Problem): number => ORDER.indexOf(severity);
  return [...problems].sort((a, b) => rank(a) - rank(b));
}
