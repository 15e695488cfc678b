/** Steps in order of arrival: two stacks of which one is read while the other is written, so that nothing is moved. */
export class StepQueue<T> {
  private incoming: T[] = [];
  private outgoing: T[] = [];
  private at = 0;

  push(item: T): void {
    this.incoming.push(item);
  }

  shift(): T | undefined {
    if (this.at === this.outgoing.length) {
      const read = this.outgoing;
      read.length = 0;
      this.outgoing = this.incoming;
      this.incoming = read;
      this.at = 0;
    }
    return this.at < this.outgoing.length ? this.outgoing[this.at++] : undefined;
  }
}
