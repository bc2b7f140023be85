/** How much may be stored, and whether the browser may throw it away. */

/** Share of what the browser grants the origin: the rest is the app's. */
const SHARE_OF_QUOTA = 0.5;

/** 72 h at 1.5 Mb/s. More than the window can need is not asked for, however large the disk. */
const MAX_DEFAULT_BUDGET_BYTES = 50 * 1024 ** 3;

/** When the browser does not say: two hours at 1.1 Mb/s, little enough for any disk. */
export const FALLBACK_BUDGET_BYTES = 1024 ** 3;

/** A budget below this stores nothing worth rewinding to; quota errors shrink the window no further. */
export const MIN_BUDGET_BYTES = 8 * 1024 ** 2;

/** The members of StorageManager that are used. Only pages can ask for more (playback/persistence.ts). */
export interface StoragePort {
  estimate?(): Promise<{ quota?: number; usage?: number }>;
  persisted?(): Promise<boolean>;
}

export function systemStorage(): StoragePort | undefined {
  const host = globalThis as { navigator?: { storage?: StoragePort } };
  return host.navigator?.storage;
}

export async function defaultBudget(storage: StoragePort | undefined): Promise<number> {
  try {
    const { quota } = (await storage?.estimate?.()) ?? {};
    if (quota === undefined || !Number.isFinite(quota)) return FALLBACK_BUDGET_BYTES;
    return Math.max(MIN_BUDGET_BYTES, Math.min(quota * SHARE_OF_QUOTA, MAX_DEFAULT_BUDGET_BYTES));
  } catch {
    return FALLBACK_BUDGET_BYTES;
  }
}

/** True when the browser promised not to evict this origin under storage pressure. */
export async function isPersistent(storage: StoragePort | undefined): Promise<boolean> {
  try {
    return (await storage?.persisted?.()) ?? false;
  } catch {
    return false;
  }
}
