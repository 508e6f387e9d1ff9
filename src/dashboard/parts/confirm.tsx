import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { messageOf } from '../text/message-of.js';
import { useModal } from './use-modal.js';
import './confirm.css';

/** Asks before something is done that cannot be taken back. The dialog names it, and stays where it fails. */

export interface ConfirmProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** Asked for besides the press of the button. Default: nothing. */
  readonly field?: ComponentChildren;
  /** Whether the button takes a press. Default true. */
  readonly isReady?: boolean;
  /** The name of the button that does it. */
  readonly action: string;
  readonly onConfirm: () => Promise<void>;
  readonly onClose: () => void;
}

export function Confirm(props: ConfirmProps) {
  const { title, children, field, isReady = true, action, onConfirm, onClose } = props;
  const dialog = useModal();
  const isBusy = useSignal(false);
  const fault = useSignal<string | undefined>(undefined);
  const confirm = async (): Promise<void> => {
    isBusy.value = true;
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      fault.value = messageOf(error);
      isBusy.value = false;
    }
  };
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="confirm-title" onClose={onClose}>
      <h2 id="confirm-title">{title}</h2>
      <p>{children}</p>
      {field}
      {fault.value !== undefined && (
        <p class="fault" role="alert">
          {fault.value}
        </p>
      )}
      <div class="row">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          class="danger"
          disabled={isBusy.value || !isReady}
          onClick={() => void confirm()}
        >
          {action}
        </button>
      </div>
    </dialog>
  );
}
