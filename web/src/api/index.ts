import { createAccessApi } from './access'
import { part, toURL, type Client, type Query, type Signal } from './client'
import { createPeopleApi } from './people'
import type {
  Activity, Alert, AuditEntry, Basis, Clock, Collector, Customer, CycleSummary, Decided, Decision, Exporter, ExporterDetail, ExporterSettings, Invoice,
  InvoiceSummary, List, ListedService, Message, PortDetail, Report, Service, Session, Step, Usage,
} from './types'

export * from './types'
export { ApiProblem } from './client'

export interface UsageQuery { from: string; to: string; step: Step; basis: Basis }

/** Every question and order the pages send, by name. */
export function createApi(client: Client) {
  const get = <T>(path: string, signal?: Signal, query?: Query) => client.request<T>(path, { signal, query })
  const page = <T>(path: string, signal?: Signal, query?: Query) => get<List<T>>(path, signal, query)
  return {
    ...createAccessApi(client),
    ...createPeopleApi(client),
    session: () => get<Session>('/session'),
    developmentLogin: (customer?: string) => client.request<Session>('/dev/session', { method: 'POST', body: { customer } }),
    developmentAccounts: (q: string, signal?: Signal) => page<Customer>('/dev/accounts', signal, { q }),
    logout: () => client.request<void>('/session', { method: 'DELETE' }),

    services: (query: Query, signal?: Signal) => page<ListedService>('/services', signal, query),
    service: (id: string, signal?: Signal) => get<Service>(`/services/${part(id)}`, signal),
    usage: (id: string, q: UsageQuery, signal?: Signal) =>
      get<Usage>(`/services/${part(id)}/usage`, signal, { ...q, unit: 'bit/s' }),
    liveURL: (id: string) => `/api/v1/services/${part(id)}/live`,
    cycles: (id: string, signal?: Signal) => page<CycleSummary>(`/services/${part(id)}/cycles`, signal),
    serviceAlerts: (id: string, signal?: Signal) => page<Alert>(`/services/${part(id)}/alerts`, signal),
    alerts: (query: Query, signal?: Signal) => page<Alert>('/alerts', signal, query),
    invoices: (query: Query, signal?: Signal) => page<InvoiceSummary>('/invoices', signal, query),
    invoice: (id: string, signal?: Signal) => get<Invoice>(`/invoices/${part(id)}`, signal),
    customers: (query: Query, signal?: Signal) => page<Customer>('/customers', signal, query),

    exporters: (signal?: Signal) => page<Exporter>('/exporters', signal),
    exporter: (id: string, signal?: Signal) => get<ExporterDetail>(`/exporters/${part(id)}`, signal),
    collectors: (signal?: Signal) => page<Collector>('/collectors', signal),
    registerExporter: (body: ExporterSettings & { name: string }) => client.request<{ id: string; name: string }>('/exporters', { method: 'POST', body }),
    changeExporter: (id: string, body: ExporterSettings, match: number) => client.request<{ id: string }>(`/exporters/${part(id)}`, { method: 'PUT', body, match }),
    port: (exporter: string, index: string, signal?: Signal) => get<PortDetail>(`/exporters/${part(exporter)}/ports/${part(index)}`, signal),
    bindPort: (service: string, exporter: string, index: number) => client.request<void>(`/services/${part(service)}/ports`, { method: 'POST', body: { exporter, if_index: index } }),
    releasePort: (service: string, exporter: string, index: number) => client.request<void>(`/services/${part(service)}/ports/release`, { method: 'POST', body: { exporter, if_index: index } }),

    report: <T>(name: string, query: Query, signal?: Signal) => get<Report<T>>(`/reports/${name}`, signal, query),
    exportURL: (name: string, query: Query) => toURL(`/reports/${name}/export`, query),
    releaseQuarantine: (body: Decision & { rate_given: number }) => client.request<Decided>('/quarantine/release', { method: 'POST', body }),
    rejectQuarantine: (body: Decision) => client.request<Decided>('/quarantine/reject', { method: 'POST', body }),

    audit: (query: Query, signal?: Signal) => page<AuditEntry>('/audit', signal, query),
    activity: (query: Query, signal?: Signal) => page<Activity>('/activity', signal, query),

    mailbox: (signal?: Signal) => page<Message>('/dev/mailbox', signal),
    clock: (signal?: Signal) => get<Clock>('/dev/clock', signal),
    advanceClock: (advance: string) => client.request<Clock>('/dev/clock', { method: 'POST', body: { advance } }),
  }
}

export type Api = ReturnType<typeof createApi>
