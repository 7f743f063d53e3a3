#!/bin/sh
# Recreates the clips beside this script. Debian 12: apt-get install espeak-ng sox
# Native espeak-ng voices only (no mbrola): 22,050 Hz, mono, 16-bit. The same versions give the same samples.
set -eu
cd "$(dirname "$0")"
rm -rf train held_out
mkdir train held_out

# clip FOLDER NUMBER VOICE PITCH(0-99) SPEED(words a minute) SENTENCE
clip() {
    name=$2_$(printf %s "$3" | tr + _)
    # Cut the silence at both ends, then put 80 ms back; peaks 1 dB below full scale; no dither, which is random.
    espeak-ng -v "$3" -p "$4" -s "$5" -z --stdout "$6" |
        sox -D -t wav - -b 16 -C 8 "$1/$name.flac" \
            silence 1 1 0.1% reverse silence 1 1 0.1% reverse pad 0.08 0.08 gain -n -1
}

clip train 01 en-us+f3 55 165 "The old lighthouse keeper polished every lens before the storm."
clip train 02 en-gb 45 160 "Fresh bread and warm butter were waiting on the kitchen table."
clip train 03 en-gb-scotland+m3 50 165 "She counted eleven geese flying low above the frozen river."
clip train 04 en-029 50 170 "Why would anyone choose to walk home through the pouring rain?"
clip train 05 en-us 40 160 "A quick jump over the ditch saved us twenty minutes."
clip train 06 en-gb+f2 60 160 "My younger brother usually measures the garden in paces."
clip train 07 en-us+m7 45 155 "Thick fog rolled across the valley and hid the village."
clip train 08 en-gb-scotland 40 165 "Please put both of those heavy boxes behind the yellow door."
clip train 09 en-029+f3 55 165 "The orchestra began to play softly as the curtain rose."
clip train 10 en-us+f3 65 180 "Vivid orange leaves covered the path all the way to church."
clip train 11 en-gb 35 150 "He thought the noise was a treasure chest falling over."
clip train 12 en-gb+f2 50 175 "Chocolate, ginger and vanilla are the flavours we sell most."
clip train 13 en-gb-scotland+m3 60 160 "Could you show me which of these keys opens the garage?"
clip train 14 en-us 55 170 "Nobody noticed that the clock had stopped at half past four."
clip train 15 en-029 40 160 "The judge asked a few good questions and wrote nothing down."
clip train 16 en-us+m7 55 165 "Rough winds pushed the small boat far beyond the harbour."
clip train 17 en-029+f3 45 175 "We usually enjoy a cup of tea and a long talk at noon."
clip train 18 en-gb-scotland 50 155 "Their new house stands under a huge oak tree."

clip held_out 19 en-us+f3 55 165 "Seven bright balloons drifted over the quiet square."
clip held_out 20 en-gb 45 160 "The shepherd watched his flock from the edge of the meadow."
clip held_out 21 en-gb-scotland+m3 50 165 "A pleasant voice on the radio announced the winning numbers."
clip held_out 22 en-029 50 170 "Just before dawn the foxes began to bark near the bridge."
