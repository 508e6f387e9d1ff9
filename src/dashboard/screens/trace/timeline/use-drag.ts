import { useRef } from 'preact/hooks';

/** Pixels that a pointer may move in a click. */
const CLICK = 4;

/** Reports how far a pressed pointer moves aside, in pixels. */
export function useDrag(
  plot: { readonly current: HTMLElement | null },
  onDrag: (pixels: number) => void,
) {
  const drag = useRef({ x: 0, isDown: false, distance: 0 }).current;
  return {
    hasMoved: () => drag.distance > CLICK,
    handlers: {
      onPointerDown: (event: PointerEvent) => {
        if (event.button !== 0) return;
        Object.assign(drag, { x: event.clientX, isDown: true, distance: 0 });
      },
      onPointerMove: (event: PointerEvent) => {
        if (!drag.isDown) return;
        const pixels = event.clientX - drag.x;
        drag.distance += Math.abs(pixels);
        drag.x = event.clientX;
        if (drag.distance <= CLICK) return;
        plot.current?.setPointerCapture(event.pointerId);
        onDrag(pixels);
      },
      onPointerUp: () => {
        drag.isDown = false;
      },
      onPointerCancel: () => {
        drag.isDown = false;
      },
    },
  };
}
