/** The numbers of draft-16's control messages (§9); draft-15 has the same, and UNSUBSCRIBE_NAMESPACE. */
export const ID = {
  requestUpdate: 0x02,
  subscribe: 0x03,
  subscribeOk: 0x04,
  requestError: 0x05,
  publishNamespace: 0x06,
  requestOk: 0x07,
  namespace: 0x08,
  publishNamespaceDone: 0x09,
  unsubscribe: 0x0a,
  publishDone: 0x0b,
  publishNamespaceCancel: 0x0c,
  trackStatus: 0x0d,
  namespaceDone: 0x0e,
  goaway: 0x10,
  subscribeNamespace: 0x11,
  unsubscribeNamespace: 0x14,
  maxRequestId: 0x15,
  fetch: 0x16,
  fetchCancel: 0x17,
  fetchOk: 0x18,
  requestsBlocked: 0x1a,
  publish: 0x1d,
  publishOk: 0x1e,
  clientSetup: 0x20,
  serverSetup: 0x21,
} as const;

/** Subscribe Options (§9.25): PUBLISH, NAMESPACE or both. "Both" is taken for the second: our side of it lists namespaces. */
export const OPTION = { tracks: 0x00, namespaces: 0x01, both: 0x02 } as const;
