import { expect, it } from "vitest";
import { CatalogAgreement } from "./catalog-agreement.ts";
import { CATALOG_GRACE_MS } from "./limits.ts";

const A = new Uint8Array(32).fill(1);
const B = new Uint8Array(32).fill(2);
const C = new Uint8Array(32).fill(3);

it("tells of a catalog that is held back once the difference has outlasted a refresh, even if it goes on changing", () => {
  const agreement = new CatalogAgreement();
  expect(agreement.check(0, A, A)).toBeUndefined();
  expect(agreement.check(1_000, A, B)).toBeUndefined();
  expect(agreement.check(1_000 + CATALOG_GRACE_MS - 1, A, C)).toBeUndefined();
  expect(agreement.check(1_000 + CATALOG_GRACE_MS, A, C)?.code).toBe("manifest-expired");
  expect(agreement.check(2_000 + CATALOG_GRACE_MS, C, C)).toBeUndefined();
});

it("begins to count anew after an agreement, and asks nothing of manifests that name no catalog", () => {
  const agreement = new CatalogAgreement();
  agreement.check(0, A, B);
  agreement.check(1_000, B, B);
  expect(agreement.check(CATALOG_GRACE_MS, B, A)).toBeUndefined();
  expect(agreement.check(CATALOG_GRACE_MS + 1, B, undefined)).toBeUndefined();
  expect(agreement.check(3 * CATALOG_GRACE_MS, undefined, A)).toBeUndefined();
});
