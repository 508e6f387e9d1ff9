import { effect, signal } from '@preact/signals';
import { remembered } from './remembered.js';

/** Light, dark, or as the system is. The choice is kept in this browser. */

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const kept = remembered('millrace.theme', () => localStorage);

export const theme = signal<Theme>(THEMES.find((one) => one === kept.read()) ?? 'system');

export function applyTheme(): void {
  effect(() => {
    const { value } = theme;
    document.documentElement.setAttribute('data-theme', value);
    kept.write(value === 'system' ? undefined : value);
  });
}

/** Whether the page is dark now. Charts draw on a canvas, which does not follow the style sheet by itself. */
export const isDark = signal(false);

const system = matchMedia('(prefers-color-scheme: dark)');

export function watchDarkness(): void {
  const update = (): void => {
    isDark.value = theme.value === 'dark' || (theme.value === 'system' && system.matches);
  };
  system.addEventListener('change', update);
  effect(update);
}
