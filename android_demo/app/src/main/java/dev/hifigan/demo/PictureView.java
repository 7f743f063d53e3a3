package dev.hifigan.demo;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.Paint;
import android.util.AttributeSet;
import android.view.View;

/** A picture over time, with a line at the playback position. Its width is a time span, fixed once known. */
abstract class PictureView extends View {
    private final int background;
    private final Paint playhead = new Paint();
    private double covered; // of the width, by the picture
    private double position; // of the width; below 0 for no line

    PictureView(Context context, AttributeSet attributes) {
        super(context, attributes);
        background = context.getColor(R.color.picture_background);
        playhead.setColor(context.getColor(R.color.playhead));
        playhead.setStrokeWidth(2 * getResources().getDisplayMetrics().density);
    }

    /**
     * Sets the time axis of the picture.
     *
     * @param seconds that the picture covers
     * @param position of playback in seconds; below 0 for none
     * @param span seconds that the width stands for
     */
    final void setTimes(double seconds, double position, double span) {
        double covered = span > 0 ? Math.min(1, seconds / span) : 0;
        double line = span > 0 && position >= 0 ? Math.min(1, position / span) : -1;
        if (covered != this.covered || line != this.position) {
            this.covered = covered;
            this.position = line;
            invalidate();
        }
    }

    /** Draws the picture from the left edge to {@code right}, in pixels. */
    abstract void drawPicture(Canvas canvas, float right);

    @Override
    protected final void onDraw(Canvas canvas) {
        canvas.drawColor(background);
        drawPicture(canvas, (float) (getWidth() * covered));
        if (position >= 0) {
            float x = (float) (getWidth() * position);
            canvas.drawLine(x, 0, x, getHeight(), playhead);
        }
    }
}
