import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import type { SessionStore } from '@/composables/useSession'
import { brand } from '@/lib/brand'
import { reportNames } from '@/lib/reportNames'

declare module 'vue-router' {
  interface RouteMeta {
    title: string
    open?: boolean // for people without a session
    staff?: boolean
    development?: boolean
  }
}

const staff = { staff: true }
const routes: RouteRecordRaw[] = [
  { path: '/', name: 'home', redirect: { name: 'services' }, meta: { title: 'Home' } },
  { path: '/login', name: 'login', component: () => import('@/pages/LoginPage.vue'), meta: { title: 'Log in', open: true } },
  { path: '/services', name: 'services', component: () => import('@/pages/ServicesPage.vue'), meta: { title: 'Services' } },
  { path: '/services/:id', name: 'service', component: () => import('@/pages/ServicePage.vue'), meta: { title: 'Service' } },
  { path: '/alerts', name: 'alerts', component: () => import('@/pages/AlertsPage.vue'), meta: { title: 'Alerts', ...staff } },
  { path: '/invoices', name: 'invoices', component: () => import('@/pages/InvoicesPage.vue'), meta: { title: 'Invoices' } },
  { path: '/invoices/:id', name: 'invoice', component: () => import('@/pages/InvoicePage.vue'), meta: { title: 'Invoice' } },
  { path: '/exporters', name: 'exporters', component: () => import('@/pages/ExportersPage.vue'), meta: { title: 'Exporters', ...staff } },
  { path: '/exporters/:id', name: 'exporter', component: () => import('@/pages/ExporterPage.vue'), meta: { title: 'Exporter', ...staff } },
  { path: '/collectors', name: 'collectors', component: () => import('@/pages/CollectorsPage.vue'), meta: { title: 'Collectors', ...staff } },
  { path: '/exporters/:id/ports/:port', name: 'port', component: () => import('@/pages/PortPage.vue'), meta: { title: 'Port', ...staff } },
  { path: '/quarantine', name: 'quarantine', component: () => import('@/pages/QuarantinePage.vue'), meta: { title: 'Quarantine', ...staff } },
  { path: '/reports', redirect: '/reports/top-services', meta: { title: 'Reports' } },
  { path: '/reports/:name', name: 'report', component: () => import('@/pages/ReportPage.vue'), meta: { title: 'Report', ...staff }, beforeEnter: (to) => reportNames.includes(String(to.params.name)) || { name: 'missing', params: { path: to.path.slice(1).split('/') } } },
  { path: '/unattributed', redirect: '/reports/unattributed', meta: { title: 'Unattributed traffic' } },
  { path: '/audit', name: 'audit', component: () => import('@/pages/AuditPage.vue'), meta: { title: 'Audit log', ...staff } },
  { path: '/activity', name: 'activity', component: () => import('@/pages/ActivityPage.vue'), meta: { title: 'Activity' } },
  { path: '/consent', name: 'consent', component: () => import('@/pages/ConsentPage.vue'), meta: { title: 'Allow an application' } },
  { path: '/clients', name: 'clients', component: () => import('@/pages/ClientsPage.vue'), meta: { title: 'OAuth clients', ...staff } },
  { path: '/dev/mailbox', name: 'mailbox', component: () => import('@/pages/MailboxPage.vue'), meta: { title: 'Mailbox', ...staff, development: true } },
  { path: '/dev/clock', name: 'clock', component: () => import('@/pages/ClockPage.vue'), meta: { title: 'Clock', ...staff, development: true } },
  { path: '/:path(.*)*', name: 'missing', component: () => import('@/pages/MissingPage.vue'), meta: { title: 'Page not found', open: true } },
]

export function createPages(session: SessionStore) {
  const router = createRouter({
    history: createWebHistory('/'),
    routes,
    scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? {} : { top: 0 }),
  })
  router.beforeEach(async (to) => {
    if (!to.meta.open || to.name === 'missing') await session.load()
    if (to.meta.open) return true
    const current = session.current.value
    if (!current) return { name: 'login', query: to.path === '/services' ? {} : { next: to.fullPath } }
    const refused = (to.meta.staff && current.role !== 'staff') || (to.meta.development && !current.development)
    return refused ? { name: 'missing', params: { path: to.path.slice(1).split('/') }, replace: true } : true
  })
  router.afterEach((to) => { document.title = `${to.meta.title} · ${brand()}` })
  // A new version was rolled out and this page's chunks are gone: load the new one, at the place asked for.
  router.onError((error: Error, to) => {
    if (/dynamically imported module|module script/i.test(error.message)) location.assign(to.fullPath)
  })
  return router
}
