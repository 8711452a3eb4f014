import type uPlot from 'uplot'
import { bitRate, clock, date } from '@/lib/format'
import type { Span } from '@/lib/series'

export interface PlotColours { in: string; inFill: string; out: string; outFill: string; grid: string; axis: string; gap: string }

export function plotColours(element: HTMLElement): PlotColours {
  const style = getComputedStyle(element)
  const read = (name: string) => style.getPropertyValue(name).trim()
  return {
    in: read('--graph-in'), inFill: read('--graph-in-fill'), out: read('--graph-out'), outFill: read('--graph-out-fill'),
    grid: read('--graph-grid'), axis: read('--graph-axis'), gap: read('--graph-gap'),
  }
}

const HATCH_PX = 7
const DAY_SECONDS = 86_400

const STRIP_PX = 10

/** Slanted lines: over the whole height where nothing is known, in a strip along the foot where data was lost. */
export function drawGaps(u: uPlot, unknown: Span[], lost: Span[], colour: string): void {
  hatch(u, unknown, colour, u.bbox.height)
  hatch(u, lost, colour, STRIP_PX * devicePixelRatio)
}

function hatch(u: uPlot, spans: Span[], colour: string, height: number): void {
  if (spans.length === 0) return
  const { ctx, bbox } = u
  const foot = bbox.top + bbox.height
  ctx.save()
  ctx.beginPath()
  for (const [from, to] of spans) {
    const left = Math.max(bbox.left, u.valToPos(from, 'x', true))
    const right = Math.min(bbox.left + bbox.width, u.valToPos(to, 'x', true))
    if (right > left) ctx.rect(left, foot - height, Math.max(right - left, 2), height)
  }
  ctx.clip()
  ctx.strokeStyle = colour
  ctx.globalAlpha = 0.7
  ctx.lineWidth = devicePixelRatio
  ctx.beginPath()
  for (let x = bbox.left - height; x < bbox.left + bbox.width; x += HATCH_PX * devicePixelRatio) {
    ctx.moveTo(x, foot)
    ctx.lineTo(x + height, foot - height)
  }
  ctx.stroke()
  ctx.restore()
}

/** UTC labels: times within a day, dates beyond; midnight always shows its date. */
export function timeLabels(splits: number[], step: number): string[] {
  return splits.map((t) => {
    if (step >= DAY_SECONDS || t % DAY_SECONDS === 0) return date(t * 1000).slice(5)
    return clock(t * 1000, step < 60)
  })
}

/** Both halves of a mirrored graph are positive rates. */
export const rateLabels = (splits: number[]): string[] => splits.map((v) => bitRate(Math.abs(v)))

/** Room above and below for the largest value; an idle service still gets a scale. */
export function rateRange(min: number | null, max: number | null): [number, number] {
  const top = Math.max(max ?? 0, 0), bottom = Math.min(min ?? 0, 0)
  if (top === 0 && bottom === 0) return [0, 1000]
  return [bottom * 1.1, top * 1.1]
}
