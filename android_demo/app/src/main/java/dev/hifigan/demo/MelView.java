package dev.hifigan.demo;

import android.content.Context;
import android.content.res.TypedArray;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Color;
import android.graphics.Paint;
import android.graphics.RectF;
import android.util.AttributeSet;

/** A mel spectrogram: time to the right, bands upwards, colours from the floor of the logarithm to loud speech. */
public final class MelView extends PictureView {
    private static final float FLOOR = (float) Math.log(1e-5);
    private static final float LOUD = 1;

    private final int[] palette = new int[256];
    private final Paint paint = new Paint(Paint.FILTER_BITMAP_FLAG);
    private final RectF area = new RectF();
    private float[][] columns = {};
    private Bitmap bitmap; // null without columns

    public MelView(Context context, AttributeSet attributes) {
        super(context, attributes);
        TypedArray colors = getResources().obtainTypedArray(R.array.mel_colors);
        for (int i = 0; i < palette.length; i++) {
            float place = (float) i * (colors.length() - 1) / palette.length;
            int below = (int) place;
            palette[i] = between(colors.getColor(below, 0), colors.getColor(below + 1, 0), place - below);
        }
        colors.recycle();
    }

    /** @param columns {@code [columns][numMels]}, natural logarithm */
    void setColumns(float[][] columns) {
        if (columns != this.columns) {
            this.columns = columns;
            bitmap = columns.length == 0 ? null : paint(columns);
            invalidate();
        }
    }

    @Override
    void drawPicture(Canvas canvas, float right) {
        if (bitmap != null) {
            area.set(0, 0, right, getHeight());
            canvas.drawBitmap(bitmap, null, area, paint);
        }
    }

    private Bitmap paint(float[][] columns) {
        int width = columns.length;
        int height = columns[0].length;
        int[] pixels = new int[width * height];
        for (int x = 0; x < width; x++) {
            for (int band = 0; band < height; band++) {
                float level = (columns[x][band] - FLOOR) / (LOUD - FLOOR);
                int color = Math.max(0, Math.min(palette.length - 1, (int) (level * palette.length)));
                pixels[(height - 1 - band) * width + x] = palette[color];
            }
        }
        return Bitmap.createBitmap(pixels, width, height, Bitmap.Config.ARGB_8888);
    }

    private static int between(int from, int to, float part) {
        return Color.rgb(
                Math.round(Color.red(from) + part * (Color.red(to) - Color.red(from))),
                Math.round(Color.green(from) + part * (Color.green(to) - Color.green(from))),
                Math.round(Color.blue(from) + part * (Color.blue(to) - Color.blue(from))));
    }
}
