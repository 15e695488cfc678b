/** anyloop and RxJS: observables as streams, streams as observables. */
export { fromObservable } from "./from-observable.ts";
export { observable, toObservable } from "./to-observable.ts";
export { toObserver } from "./to-observer.ts";
