package dev.hifigan.demo;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.Paint;
import android.util.AttributeSet;

/** A waveform: a vertical stroke for each bin, from its smallest sample to its largest. */
public final class WaveformView extends PictureView {
    private final Paint paint = new Paint();
    private final float thinnest = getResources().getDisplayMetrics().density;
    private float[][] extremes = {};
    private float[] strokes = {}; // four coordinates each

    public WaveformView(Context context, AttributeSet attributes) {
        super(context, attributes);
        paint.setColor(context.getColor(R.color.waveform));
    }

    /** @param extremes {@code [bins][2]}, -1 to 1 */
    void setExtremes(float[][] extremes) {
        if (extremes != this.extremes) {
            this.extremes = extremes;
            strokes = new float[4 * extremes.length];
            invalidate();
        }
    }

    @Override
    void drawPicture(Canvas canvas, float right) {
        float width = right / extremes.length;
        float half = getHeight() / 2f;
        for (int bin = 0; bin < extremes.length; bin++) {
            float x = (bin + 0.5f) * width;
            strokes[4 * bin] = x;
            strokes[4 * bin + 1] = half - half * extremes[bin][1] - thinnest / 2; // silence is a line, not a gap
            strokes[4 * bin + 2] = x;
            strokes[4 * bin + 3] = half - half * extremes[bin][0] + thinnest / 2;
        }
        paint.setStrokeWidth(Math.max(thinnest, width + 1)); // overlaps its neighbour by one pixel: no seams
        canvas.drawLines(strokes, paint);
    }
}
