import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { reportNames } from './reportNames'
import { cell, REPORTS, type Column, type Kind, type Row } from './reports'

const api = JSON.parse(readFileSync(new URL('../../../api/openapi.json', import.meta.url), 'utf8'))
const column = (kind: Kind, key = 'x'): Column => ({ key, label: '', kind })

describe('every report shows what the API answers', () => {
  it.each(REPORTS.map((r) => [r.name, r] as const))('%s', (name, report) => {
    const get = api.paths[`/api/v1/reports/${name}`].get
    const list = api.components.schemas[get.responses['200'].content['application/json'].schema.$ref.split('/').pop()]
    const row = api.components.schemas[list.properties.items.items.$ref.split('/').pop()].properties
    const sorts = /Sorts by ([^.]*)\./.exec(get.description)![1]!.split(', ')
    for (const c of report.columns) {
      expect(Object.keys(row)).toContain(c.key)
      if (c.sort) expect(sorts).toContain(c.key)
    }
    const takes = get.parameters.map((p: { name: string }) => p.name)
    expect([takes.includes('exporter'), takes.includes('q'), takes.includes('state')]).toEqual(
      [report.exporter === true || name === 'top-exporters', report.search !== undefined, report.states !== undefined])
    const states = /States: ([^.]*)\./.exec(get.description)?.[1]?.split(', ') ?? []
    expect((report.states ?? []).map((s) => s.value)).toEqual(states)
  })
})

it('each has its address', () => expect(REPORTS.map((r) => r.name)).toEqual(reportNames))

describe('cells', () => {
  it.each<[Kind, unknown, string]>([
    ['bytes', 1_234_567, '1.23 MB'], ['bytes', null, '–'], ['bound', 0, 'exact'], ['bound', 14, '± 14 %'], ['bound', null, '–'], ['ratio', 1.03456, '1.035'], ['rate', 0, 'none'], ['rate', 2048, '1 in 2,048'],
    ['hour', '2026-03-10T12:00:00Z', '03-10 12:00'], ['time', '2026-03-10T12:00:00Z', '2026-03-10 12:00 UTC'], ['text', 'quarantine_release', 'quarantine release'], ['count', 0, '0'],
    ['reasons', { truncated: 3, bad_version: 1200 }, 'bad version: 1,200, truncated: 3'], ['reasons', {}, '–'], ['speed', 0, 'unknown'], ['percent', 12.345, '12.3 %'],
  ])('%s of %j', (kind, value, text) => expect(cell(column(kind), { x: value })).toBe(text))
  it('a port without a name is its interface', () => expect(cell(column('port'), { port: '', if_index: 7 } as Row)).toBe('Interface 7'))
})
