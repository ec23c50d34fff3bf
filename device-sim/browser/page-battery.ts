/** What the phone's battery holds, where its browser says so (W3C Battery Status). */

type Battery = EventTarget & { readonly level: number };

/** @param tell percent, at once and whenever it changes; never called where nobody knows */
export async function followBattery(tell: (percent: number) => void): Promise<void> {
  const ask = (navigator as { getBattery?: () => Promise<Battery> }).getBattery;
  const battery = await ask?.call(navigator).catch(() => undefined);
  if (battery === undefined) return;
  const say = (): void => tell(Math.round(100 * battery.level));
  battery.addEventListener("levelchange", say);
  say();
}
