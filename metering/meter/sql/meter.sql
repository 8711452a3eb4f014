update meter set flush = $2, emitted = $3, unemitted_from = $4, watermark = greatest(watermark, $5) where partition = $1
