import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { becomes, launch, open, session, settled } from './browser.mjs'

let browser, staff
before(async () => {
  browser = await launch()
  staff = await session('staff')
})
after(() => browser?.close())

const opened = async (path) => {
  const tab = await open(browser, { as: staff })
  await tab.page.goto(path)
  await settled(tab.page)
  return tab
}
const names = (page) => page.getByTestId('report-row').locator('td:first-child').allTextContents().then((texts) => texts.map((t) => t.trim()))

test('the busiest services, and sorted otherwise', async () => {
  const { page, wrong, close } = await opened('/reports/top-services')
  await page.getByTestId('report-row').first().waitFor()
  const listed = (await staff.get('/reports/top-services')).items.map((s) => s.service)
  await becomes(async () => (await names(page)).toSorted(), listed.toSorted())
  const head = page.getByRole('columnheader', { name: 'Service' })
  await head.getByRole('button').click()
  await page.waitForURL(/sort=service/)
  await becomes(() => head.getAttribute('aria-sort'), 'ascending')
  await becomes(() => names(page), listed.toSorted())
  await head.getByRole('button').click()
  await page.waitForURL(/order=desc/)
  await page.getByRole('link', { name: listed.toSorted().at(-1), exact: true }).first().waitFor()
  await becomes(() => head.getAttribute('aria-sort'), 'descending')
  assert.deepEqual(wrong, [])
  await close()
})

test('a table wider than its place keeps its first column, and explains its heads', async () => {
  const { page, wrong, close } = await opened('/reports/ingest')
  await page.getByTestId('report-row').first().waitFor()
  const table = page.getByRole('region', { name: 'Ingest health' })
  const hour = table.getByTestId('report-row').first().locator('td').first()
  const place = () => hour.boundingBox().then((box) => Math.round(box.x))
  const left = await place()
  await page.getByTestId('beyond').first().waitFor()
  await table.evaluate((e) => { e.scrollLeft = 400 })
  assert.equal(await place(), left)
  await table.evaluate((e) => { e.scrollLeft = e.scrollWidth })
  await page.getByTestId('beyond').waitFor({ state: 'detached' })
  await page.getByText('What the columns mean').click()
  await page.getByText('Gaps in the datagram sequence').waitFor()
  assert.deepEqual(wrong, [])
  await close()
})

test('a range and a search stand in the address, and survive a reload', async () => {
  const { page, wrong, close } = await opened('/reports/top-services')
  await page.getByRole('radio', { name: '7 d' }).check({ force: true })
  await page.waitForURL(/range=7d/)
  await page.getByLabel('Service or customer').fill('vault')
  await page.waitForURL(/q=vault/)
  await page.reload()
  await settled(page)
  await becomes(() => page.getByRole('radio', { name: '7 d' }).isChecked(), true)
  await becomes(() => names(page), ['vault-1'])
  await page.getByRole('radio', { name: 'Custom' }).check({ force: true })
  await page.getByLabel('From, UTC').fill('2026-01-01T00:30')
  await page.getByRole('alert').getByText('whole hours').waitFor()
  await page.getByLabel('From, UTC').fill('2020-01-01T00:00')
  await page.getByRole('alert').getByText('400 days').waitFor()
  assert.deepEqual(wrong.filter((line) => !/422/.test(line)), [])
  await close()
})

test('a report is saved as CSV and as Parquet', async () => {
  const { page, wrong, close } = await opened('/reports/top-services')
  const save = async (name) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name }).click()])
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) }
  }
  const csv = await save('Save as CSV')
  assert.match(csv.name, /^ezscale-top-services-\d{8}T\d{2}-\d{8}T\d{2}\.csv$/)
  assert.match(csv.bytes.toString(), /^service_id,service,customer,bytes_in_l2,/)
  const parquet = await save('Save as Parquet')
  assert.match(parquet.name, /\.parquet$/)
  assert.equal(parquet.bytes.subarray(0, 4).toString() + parquet.bytes.subarray(-4).toString(), 'PAR1PAR1')
  assert.deepEqual(wrong, [])
  await close()
})

test('every report opens, and an unknown one is no page', async () => {
  const { page, wrong, close } = await opened('/reports')
  await page.waitForURL(/top-services$/)
  const links = await page.getByRole('navigation', { name: 'Reports' }).getByRole('link').evaluateAll((all) => all.map((a) => a.getAttribute('href')))
  assert.ok(links.length >= 10)
  for (const link of links) {
    await page.goto(link)
    await settled(page)
    assert.equal(await page.getByRole('alert').count(), 0, link)
  }
  assert.deepEqual(wrong, [])
  await page.goto('/reports/nonsense')
  await page.getByRole('heading', { name: 'Page not found' }).waitFor()
  await page.goto('/unattributed')
  await page.getByRole('heading', { level: 1, name: 'Unattributed traffic' }).waitFor()
  await close()
})

test('a port of an exporter, its table and its binding', async () => {
  const exporter = (await staff.get('/exporters')).items.find((e) => e.ports.length)
  assert.ok(exporter, 'no exporter has told of its ports')
  const port = exporter.ports.at(-1)
  const { page, wrong, close } = await opened(`/exporters/${exporter.id}`)
  await page.locator(`a[href="/exporters/${exporter.id}/ports/${port.if_index}"]`).click()
  await page.getByRole('heading', { name: 'Counters and flows' }).waitFor()
  await settled(page)
  assert.equal(await page.getByRole('alert').count(), 0)
  const detail = () => staff.get(`/exporters/${exporter.id}/ports/${port.if_index}`)
  if (!(await detail()).service_id) {
    const service = (await staff.get('/services?limit=1')).items[0]
    await page.getByRole('button', { name: /^Bind to a service/ }).click()
    await page.getByRole('combobox', { name: 'Service' }).fill('no such service')
    await page.getByRole('button', { name: 'Bind', exact: true }).click()
    await page.getByRole('dialog').getByRole('alert').waitFor()
    await page.getByRole('combobox', { name: 'Service' }).fill(service.name)
    await page.getByRole('button', { name: 'Bind', exact: true }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.getByText('is billed by this port’s counters').waitFor()
    assert.equal((await detail()).service_id, service.id)
    await page.getByRole('button', { name: /^Release/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Release', exact: true }).click()
    await page.getByRole('button', { name: /^Bind to a service/ }).waitFor()
    assert.equal((await detail()).service_id, null)
  }
  assert.deepEqual(wrong.filter((line) => !/40[49]|422/.test(line)), [])
  await close()
})

test('an exporter is registered, refused twice, and changed', async () => {
  const name = `spine-${Date.now() % 1e6}`
  const source = `198.51.100.${Date.now() % 256}/32`
  const { page, close } = await opened('/exporters')
  await page.getByRole('button', { name: /^Register/ }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill(name)
  await dialog.getByLabel('Sends from').fill('no prefix')
  await dialog.getByLabel('Highest rate believed').fill('lots')
  await dialog.getByTestId('wrong').getByText('whole number').waitFor()
  assert.equal(await dialog.getByRole('button', { name: 'Register' }).isDisabled(), true, 'with a rate that is no number')
  await dialog.getByLabel('Highest rate believed').fill('4096')
  await dialog.getByRole('button', { name: 'Register' }).click()
  await dialog.getByTestId('wrong').waitFor()
  await becomes(() => dialog.getByLabel('Sends from').getAttribute('aria-invalid'), 'true')
  await becomes(() => dialog.getByLabel('Sends from').evaluate((e) => e === document.activeElement), true) // the wrong field has the focus
  await dialog.getByLabel('Sends from').fill(source)
  await dialog.getByLabel('GRE').check()
  await dialog.getByRole('button', { name: 'Register' }).click()
  await dialog.waitFor({ state: 'hidden' })
  await page.getByRole('link', { name, exact: true }).click()
  await page.getByRole('button', { name: /^Change/ }).click()
  await becomes(() => dialog.getByLabel('Highest rate believed').inputValue(), '4096')
  await becomes(() => dialog.getByLabel('GRE').isChecked(), true)
  await dialog.getByLabel('Counted').selectOption('bound')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.waitFor({ state: 'hidden' })
  await page.getByText('counters of bound ports').waitFor()
  const saved = (await staff.get('/exporters')).items.find((e) => e.name === name)
  assert.deepEqual([saved.source, saved.count_policy, saved.rate_max, saved.inside], [source, 'bound', 4096, ['gre']])
  await close()
})
