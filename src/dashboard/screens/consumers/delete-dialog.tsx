import { useSignal } from '@preact/signals';
import { Confirm } from '../../parts/confirm.js';
import { TextField } from '../../parts/text-field.js';
import { go } from '../../state/place.js';
import { client } from '../../state/session.js';

/** Deletes a consumer once its name is typed. */

interface DeleteDialogProps {
  readonly name: string;
  readonly onClose: () => void;
}

export function DeleteDialog({ name, onClose }: DeleteDialogProps) {
  const typed = useSignal('');
  return (
    <Confirm
      title="Delete this consumer?"
      action="Delete the consumer"
      isReady={typed.value === name}
      onClose={onClose}
      onConfirm={async () => {
        await (await client().consumer(name)).delete();
        go('consumers');
      }}
      field={
        <TextField
          id="delete-name"
          label="Type its name to delete it"
          value={typed.value}
          onInput={(text) => {
            typed.value = text;
          }}
        />
      }
    >
      <b>{name}</b> forgets what it has done, its dead events too, and its members end. This cannot
      be taken back.
    </Confirm>
  );
}
