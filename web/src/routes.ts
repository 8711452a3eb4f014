import type { RouteLocationNormalized, RouteRecordRaw } from 'vue-router'
import { reportNames } from '@/lib/reportNames'
import type { Site } from '@/lib/site'

declare module 'vue-router' {
  interface RouteMeta {
    title: string
    open?: boolean // for people without a session
    forStrangers?: boolean // whoever is signed in is led on
    bare?: boolean // without the frame of those who have one
    site?: Site // of that site alone
    needs?: string // a permission
    inPerson?: boolean // not for whoever looks at an account as somebody else
    asksAnew?: boolean // by itself, when somebody else or another account is there: it need not be built anew
  }
}

export const missing = (to: RouteLocationNormalized) => ({ name: 'missing', params: { path: to.path.slice(1).split('/') }, replace: true })

// What a page needs, its API needs too: this only spares people a page of refusals.
const door = { open: true, bare: true }
const entrance = { ...door, forStrangers: true }
const customers = { site: 'account' as const }
const staff = (needs: string) => ({ site: 'admin' as const, needs })

const doors: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: () => import('@/pages/access/LoginPage.vue'), meta: { title: 'Log in', ...entrance } },
  { path: '/register', component: () => import('@/pages/access/RegisterPage.vue'), meta: { title: 'Open an account', ...entrance, ...customers } },
  { path: '/verify', component: () => import('@/pages/access/VerifyPage.vue'), meta: { title: 'Verify the address', ...door } },
  { path: '/forgot', component: () => import('@/pages/access/ForgotPage.vue'), meta: { title: 'Forgot your password', ...entrance } },
  { path: '/reset', component: () => import('@/pages/access/ResetPage.vue'), meta: { title: 'Set a new password', ...door } },
  { path: '/invitation', component: () => import('@/pages/access/InvitationPage.vue'), meta: { title: 'Invitation', ...door, ...customers } },
  { path: '/impersonate', component: () => import('@/pages/access/ImpersonatePage.vue'), meta: { title: 'Viewing an account', ...door, ...customers } },
  { path: '/enrol', component: () => import('@/pages/access/EnrolPage.vue'), meta: { title: 'Welcome', ...door, site: 'admin' } },
]

const own: RouteRecordRaw[] = [
  { path: '/security', name: 'security', component: () => import('@/pages/access/SecurityPage.vue'), meta: { title: 'Security', inPerson: true } },
  { path: '/profile', component: () => import('@/pages/people/ProfilePage.vue'), meta: { title: 'Profile', inPerson: true } },
  { path: '/consent', component: () => import('@/pages/access/ConsentPage.vue'), meta: { title: 'Allow an application', inPerson: true, asksAnew: true } },
  { path: '/accounts', name: 'accounts', component: () => import('@/pages/people/AccountsPage.vue'), meta: { title: 'Accounts', inPerson: true, ...customers } },
  { path: '/account', component: () => import('@/pages/people/AccountPage.vue'), meta: { title: 'Account', needs: 'account.read', ...customers } },
  { path: '/account/members', component: () => import('@/pages/people/MembersPage.vue'), meta: { title: 'People', needs: 'members.read', ...customers } },
]

export const routes: RouteRecordRaw[] = [
  { path: '/', name: 'home', component: () => import('@/pages/MissingPage.vue'), meta: { title: 'Home' } }, // the router leads on
  ...doors,
  ...own,
  { path: '/customers', component: () => import('@/pages/people/CustomersPage.vue'), meta: { title: 'Customers', ...staff('customers.read') } },
  { path: '/customers/:id', component: () => import('@/pages/people/CustomerPage.vue'), meta: { title: 'Customer', ...staff('customers.read') } },
  { path: '/people', component: () => import('@/pages/people/PeoplePage.vue'), meta: { title: 'People', ...staff('customers.read') } },
  { path: '/impersonations', component: () => import('@/pages/people/ImpersonationsPage.vue'), meta: { title: 'Impersonations', ...staff('impersonate') } },
  { path: '/staff', component: () => import('@/pages/people/StaffPage.vue'), meta: { title: 'Staff', ...staff('staff.read') } },
  { path: '/roles', component: () => import('@/pages/people/RolesPage.vue'), meta: { title: 'Roles', ...staff('staff.read') } },
  { path: '/clients', component: () => import('@/pages/access/ClientsPage.vue'), meta: { title: 'OAuth clients', ...staff('clients.write') } },
  { path: '/services', name: 'services', component: () => import('@/pages/usage/ServicesPage.vue'), meta: { title: 'Services', needs: 'services.read' } },
  { path: '/services/:id', name: 'service', component: () => import('@/pages/usage/ServicePage.vue'), meta: { title: 'Service', needs: 'services.read' } },
  { path: '/alerts', name: 'alerts', component: () => import('@/pages/usage/AlertsPage.vue'), meta: { title: 'Alerts', ...staff('services.read') } },
  { path: '/invoices', name: 'invoices', component: () => import('@/pages/billing/InvoicesPage.vue'), meta: { title: 'Invoices', needs: 'invoices.read' } },
  { path: '/invoices/:id', name: 'invoice', component: () => import('@/pages/billing/InvoicePage.vue'), meta: { title: 'Invoice', needs: 'invoices.read' } },
  { path: '/exporters', name: 'exporters', component: () => import('@/pages/network/ExportersPage.vue'), meta: { title: 'Exporters', ...staff('network.read') } },
  { path: '/exporters/:id', name: 'exporter', component: () => import('@/pages/network/ExporterPage.vue'), meta: { title: 'Exporter', ...staff('network.read') } },
  { path: '/collectors', name: 'collectors', component: () => import('@/pages/network/CollectorsPage.vue'), meta: { title: 'Collectors', ...staff('network.read') } },
  { path: '/exporters/:id/ports/:port', name: 'port', component: () => import('@/pages/network/PortPage.vue'), meta: { title: 'Port', ...staff('network.read') } },
  { path: '/quarantine', name: 'quarantine', component: () => import('@/pages/network/QuarantinePage.vue'), meta: { title: 'Quarantine', ...staff('network.read') } },
  { path: '/reports', redirect: '/reports/top-services', meta: { title: 'Reports' } },
  { path: '/reports/:name', name: 'report', component: () => import('@/pages/network/ReportPage.vue'), meta: { title: 'Report', ...staff('reports.read') }, beforeEnter: (to) => reportNames.includes(String(to.params.name)) || missing(to) },
  { path: '/unattributed', redirect: '/reports/unattributed', meta: { title: 'Unattributed traffic' } },
  { path: '/audit', name: 'audit', component: () => import('@/pages/audit/AuditPage.vue'), meta: { title: 'Audit log', ...staff('audit.read') } },
  { path: '/activity', name: 'activity', component: () => import('@/pages/audit/ActivityPage.vue'), meta: { title: 'Activity' } },
  { path: '/dev/mailbox', name: 'mailbox', component: () => import('@/pages/development/MailboxPage.vue'), meta: { title: 'Mailbox', ...staff('development') } },
  { path: '/dev/clock', name: 'clock', component: () => import('@/pages/development/ClockPage.vue'), meta: { title: 'Clock', ...staff('development') } },
  { path: '/:path(.*)*', name: 'missing', component: () => import('@/pages/MissingPage.vue'), meta: { title: 'Page not found', open: true } },
]
