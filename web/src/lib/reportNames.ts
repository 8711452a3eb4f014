// Apart from lib/reports.ts, so that the first load knows the addresses and not every column.
export const reportNames = ['top-services', 'top-exporters', 'top-ports', 'reconciliation', 'sampling-rates', 'bindings', 'unattributed', 'ingest', 'evidence', 'corrections']
