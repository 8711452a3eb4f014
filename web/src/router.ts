import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteRecordRaw } from 'vue-router'
import type { SessionStore } from '@/composables/useSession'
import { brand } from '@/lib/brand'
import { reportNames } from '@/lib/reportNames'
import { site, type Site } from '@/lib/site'

declare module 'vue-router' {
  interface RouteMeta {
    title: string
    open?: boolean // for people without a session
    site?: Site // of that site alone
    needs?: string // a permission
  }
}

// What only staff have a page for. What a page needs, its API needs too: this only spares people a page of refusals.
const staff = (needs: string) => ({ site: 'admin' as const, needs })
const routes: RouteRecordRaw[] = [
  { path: '/', name: 'home', redirect: () => (site() === 'admin' ? '/exporters' : '/services'), meta: { title: 'Home' } },
  { path: '/login', name: 'login', component: () => import('@/pages/LoginPage.vue'), meta: { title: 'Log in', open: true } },
  { path: '/services', name: 'services', component: () => import('@/pages/ServicesPage.vue'), meta: { title: 'Services', needs: 'services.read' } },
  { path: '/services/:id', name: 'service', component: () => import('@/pages/ServicePage.vue'), meta: { title: 'Service', needs: 'services.read' } },
  { path: '/alerts', name: 'alerts', component: () => import('@/pages/AlertsPage.vue'), meta: { title: 'Alerts', ...staff('services.read') } },
  { path: '/invoices', name: 'invoices', component: () => import('@/pages/InvoicesPage.vue'), meta: { title: 'Invoices', needs: 'invoices.read' } },
  { path: '/invoices/:id', name: 'invoice', component: () => import('@/pages/InvoicePage.vue'), meta: { title: 'Invoice', needs: 'invoices.read' } },
  { path: '/exporters', name: 'exporters', component: () => import('@/pages/ExportersPage.vue'), meta: { title: 'Exporters', ...staff('network.read') } },
  { path: '/exporters/:id', name: 'exporter', component: () => import('@/pages/ExporterPage.vue'), meta: { title: 'Exporter', ...staff('network.read') } },
  { path: '/collectors', name: 'collectors', component: () => import('@/pages/CollectorsPage.vue'), meta: { title: 'Collectors', ...staff('network.read') } },
  { path: '/exporters/:id/ports/:port', name: 'port', component: () => import('@/pages/PortPage.vue'), meta: { title: 'Port', ...staff('network.read') } },
  { path: '/quarantine', name: 'quarantine', component: () => import('@/pages/QuarantinePage.vue'), meta: { title: 'Quarantine', ...staff('network.read') } },
  { path: '/reports', redirect: '/reports/top-services', meta: { title: 'Reports' } },
  { path: '/reports/:name', name: 'report', component: () => import('@/pages/ReportPage.vue'), meta: { title: 'Report', ...staff('reports.read') }, beforeEnter: (to) => reportNames.includes(String(to.params.name)) || missing(to) },
  { path: '/unattributed', redirect: '/reports/unattributed', meta: { title: 'Unattributed traffic' } },
  { path: '/audit', name: 'audit', component: () => import('@/pages/AuditPage.vue'), meta: { title: 'Audit log', ...staff('audit.read') } },
  { path: '/activity', name: 'activity', component: () => import('@/pages/ActivityPage.vue'), meta: { title: 'Activity' } },
  { path: '/dev/mailbox', name: 'mailbox', component: () => import('@/pages/MailboxPage.vue'), meta: { title: 'Mailbox', ...staff('development') } },
  { path: '/dev/clock', name: 'clock', component: () => import('@/pages/ClockPage.vue'), meta: { title: 'Clock', ...staff('development') } },
  { path: '/:path(.*)*', name: 'missing', component: () => import('@/pages/MissingPage.vue'), meta: { title: 'Page not found', open: true } },
]
const missing = (to: RouteLocationNormalized) => ({ name: 'missing', params: { path: to.path.slice(1).split('/') }, replace: true })

export function createPages(session: SessionStore) {
  const router = createRouter({
    history: createWebHistory('/'),
    routes,
    scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? {} : { top: 0 }),
  })
  router.beforeEach(async (to) => {
    if (!to.meta.open || to.name === 'missing') await session.load()
    if (to.meta.site && to.meta.site !== site()) return missing(to)
    if (to.meta.open) return true
    if (!session.current.value) return { name: 'login', query: to.redirectedFrom?.name === 'home' ? {} : { next: to.fullPath } }
    return !to.meta.needs || session.may(to.meta.needs) || missing(to)
  })
  router.afterEach((to) => { document.title = `${to.meta.title} · ${brand()}` })
  // A new version was rolled out and this page's chunks are gone: load the new one, at the place asked for.
  router.onError((error: Error, to) => {
    if (/dynamically imported module|module script/i.test(error.message)) location.assign(to.fullPath)
  })
  return router
}
