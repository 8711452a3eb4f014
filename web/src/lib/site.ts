export type Site = 'account' | 'admin'

// The server writes into the document which site it is of. Under the development server of the pages nobody does.
const told = (): string[] => document.querySelector<HTMLMetaElement>('meta[name="site"]')?.content.split(' ') ?? []

/** The site that these pages are of: the customers' or the staff's. */
export function site(): Site {
  if (import.meta.env.DEV) return location.hostname.startsWith('admin.') ? 'admin' : 'account'
  return told().includes('admin') ? 'admin' : 'account'
}

/** Whether there is a development login. */
export const development = (): boolean => import.meta.env.DEV || told().includes('development')

/** What people call the site. */
export const siteWord: Record<Site, string> = { account: 'Customers', admin: 'Staff' }
