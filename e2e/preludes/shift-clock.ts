/** Sets the worker's wall clock wrong. */
export function shiftClock(byMs: number): void {
  const real = Date.now.bind(Date);
  Date.now = () => real() + byMs;
}
