/** Why a message is taken off the queue though nobody acknowledged it. */
export function poisoned(deliveries: number): string {
  return `Handed out ${String(deliveries)} times, and never acknowledged.`;
}
