import { type TimelineView, ZOOM } from './timeline-view.js';

/** The buttons that zoom the timeline, for those who use neither wheel nor keys. */

export interface ZoomButtonsProps {
  readonly view: TimelineView;
  readonly onZoom: (factor: number) => void;
}

export function ZoomButtons({ view, onZoom }: ZoomButtonsProps) {
  return (
    <div class="zoom">
      <button type="button" class="quiet" title="Zoom out (−)" onClick={() => onZoom(ZOOM)}>
        <span aria-hidden="true">−</span>
        <span class="hidden">Zoom out</span>
      </button>
      <button type="button" class="quiet" title="Zoom in (+)" onClick={() => onZoom(1 / ZOOM)}>
        <span aria-hidden="true">+</span>
        <span class="hidden">Zoom in</span>
      </button>
      <button type="button" onClick={() => view.showWhole()} disabled={view.isWhole}>
        Whole run
      </button>
    </div>
  );
}
