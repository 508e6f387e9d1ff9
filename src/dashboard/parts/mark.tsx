/** The mark of Millrace. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M5 12c3.7 0 3.7 3 7.3 3s3.7-3 7.4-3 3.7 3 7.3 3M5 19c3.7 0 3.7 3 7.3 3s3.7-3 7.4-3 3.7 3 7.3 3" />
    </svg>
  );
}
