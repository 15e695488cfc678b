/** What older browsers do not tell. */

/** Whether a port hears of it that its other end was closed. */
export const hasCloseEvents: boolean = await new Promise<boolean>((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.addEventListener("close", () => resolve(true), { once: true });
  port1.start();
  port2.close();
  setTimeout(() => resolve(false), 200);
});
