import type { RouteLocationNormalized, RouteRecordRaw } from 'vue-router'
import { reportNames } from '@/lib/reportNames'
import type { Site } from '@/lib/site'

declare module 'vue-router' {
  interface RouteMeta {
    title: string
    open?: boolean // for people without a session
    bare?: boolean // without the frame of those who have one
    site?: Site // of that site alone
    needs?: string // a permission
    inPerson?: boolean // not for whoever looks at an account as somebody else
  }
}

export const missing = (to: RouteLocationNormalized) => ({ name: 'missing', params: { path: to.path.slice(1).split('/') }, replace: true })

// What a page needs, its API needs too: this only spares people a page of refusals.
const door = { open: true, bare: true }
const customers = { site: 'account' as const }
const staff = (needs: string) => ({ site: 'admin' as const, needs })

const doors: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: () => import('@/pages/LoginPage.vue'), meta: { title: 'Log in', ...door } },
  { path: '/register', component: () => import('@/pages/RegisterPage.vue'), meta: { title: 'Open an account', ...door, ...customers } },
  { path: '/verify', component: () => import('@/pages/VerifyPage.vue'), meta: { title: 'Verify the address', ...door } },
  { path: '/forgot', component: () => import('@/pages/ForgotPage.vue'), meta: { title: 'Forgot the password', ...door } },
  { path: '/reset', component: () => import('@/pages/ResetPage.vue'), meta: { title: 'Set a new password', ...door } },
  { path: '/invitation', component: () => import('@/pages/InvitationPage.vue'), meta: { title: 'Invitation', ...door, ...customers } },
  { path: '/impersonate', component: () => import('@/pages/ImpersonatePage.vue'), meta: { title: 'Looking at an account', ...door, ...customers } },
  { path: '/enrol', component: () => import('@/pages/EnrolPage.vue'), meta: { title: 'Welcome', ...door, site: 'admin' } },
]

const own: RouteRecordRaw[] = [
  { path: '/security', name: 'security', component: () => import('@/pages/SecurityPage.vue'), meta: { title: 'Security', inPerson: true } },
  { path: '/profile', component: () => import('@/pages/ProfilePage.vue'), meta: { title: 'Profile', inPerson: true } },
  { path: '/consent', component: () => import('@/pages/ConsentPage.vue'), meta: { title: 'Allow an application', inPerson: true } },
  { path: '/accounts', name: 'accounts', component: () => import('@/pages/AccountsPage.vue'), meta: { title: 'Accounts', inPerson: true, ...customers } },
  { path: '/account', component: () => import('@/pages/AccountPage.vue'), meta: { title: 'Account', needs: 'account.read', ...customers } },
  { path: '/account/members', component: () => import('@/pages/MembersPage.vue'), meta: { title: 'People', needs: 'members.read', ...customers } },
]

export const routes: RouteRecordRaw[] = [
  { path: '/', name: 'home', component: () => import('@/pages/MissingPage.vue'), meta: { title: 'Home' } }, // the router leads on
  ...doors,
  ...own,
  { path: '/customers', component: () => import('@/pages/CustomersPage.vue'), meta: { title: 'Customers', ...staff('customers.read') } },
  { path: '/customers/:id', component: () => import('@/pages/CustomerPage.vue'), meta: { title: 'Customer', ...staff('customers.read') } },
  { path: '/staff', component: () => import('@/pages/StaffPage.vue'), meta: { title: 'Staff', ...staff('staff.read') } },
  { path: '/roles', component: () => import('@/pages/RolesPage.vue'), meta: { title: 'Roles', ...staff('staff.read') } },
  { path: '/clients', component: () => import('@/pages/ClientsPage.vue'), meta: { title: 'OAuth clients', ...staff('clients.write') } },
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
