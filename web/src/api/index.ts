import type { Client, RequestOptions } from './client'
import type {
  Alert, Basis, Clock, Collector, Customer, CycleSummary, Exporter, ExporterDetail, Invoice, InvoiceSummary, List, ListedService, Message, Role, Service, Session, Step, Unattributed, Usage,
} from './types'

export * from './types'
export { ApiProblem } from './client'

export interface UsageQuery { from: string; to: string; step: Step; basis: Basis }
type Signal = AbortSignal | undefined
type Query = RequestOptions['query']

/** Every question and order the pages send, by name. */
export function createApi(client: Client) {
  const get = <T>(path: string, signal?: Signal, query?: Query) => client.request<T>(path, { signal, query })
  const page = <T>(path: string, signal?: Signal, query?: Query) => get<List<T>>(path, signal, query)
  return {
    session: () => get<Session>('/session'),
    login: (role: Role, customer?: string) => client.request<Session>('/session', { method: 'POST', body: { role, customer } }),
    logout: () => client.request<void>('/session', { method: 'DELETE' }),

    services: (query: Query, signal?: Signal) => page<ListedService>('/services', signal, query),
    service: (id: string, signal?: Signal) => get<Service>(`/services/${encodeURIComponent(id)}`, signal),
    usage: (id: string, q: UsageQuery, signal?: Signal) =>
      get<Usage>(`/services/${encodeURIComponent(id)}/usage`, signal, { ...q, unit: 'bit/s' }),
    liveURL: (id: string) => `/api/v1/services/${encodeURIComponent(id)}/live`,
    cycles: (id: string, signal?: Signal) => page<CycleSummary>(`/services/${encodeURIComponent(id)}/cycles`, signal),
    serviceAlerts: (id: string, signal?: Signal) => page<Alert>(`/services/${encodeURIComponent(id)}/alerts`, signal),
    alerts: (query: Query, signal?: Signal) => page<Alert>('/alerts', signal, query),
    invoices: (query: Query, signal?: Signal) => page<InvoiceSummary>('/invoices', signal, query),
    invoice: (id: string, signal?: Signal) => get<Invoice>(`/invoices/${encodeURIComponent(id)}`, signal),
    customers: (query: Query, signal?: Signal) => page<Customer>('/customers', signal, query),

    exporters: (signal?: Signal) => page<Exporter>('/exporters', signal),
    exporter: (id: string, signal?: Signal) => get<ExporterDetail>(`/exporters/${encodeURIComponent(id)}`, signal),
    collectors: (signal?: Signal) => page<Collector>('/collectors', signal),
    unattributed: (hours: number, signal?: Signal) => page<Unattributed>('/unattributed', signal, { hours }),

    mailbox: (signal?: Signal) => page<Message>('/dev/mailbox', signal),
    clock: (signal?: Signal) => get<Clock>('/dev/clock', signal),
    advanceClock: (advance: string) => client.request<Clock>('/dev/clock', { method: 'POST', body: { advance } }),
  }
}

export type Api = ReturnType<typeof createApi>
