#!/usr/bin/env bash
# Makes countersign.mp4, the clip that the demo loops. Only whoever changes the clip needs this, with ffmpeg
# (libx264, libass), the DejaVu fonts and `npm ci` done; users and tests take the finished file.
# What the clip must be, and why, is in README.md beside this script.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seconds=16
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

npx tsx "$here/scene.ts" "$seconds" >"$scratch/scene.ass"

# The ground: three soft lights that go round once or twice per loop, drawn small and scaled up.
light() { # weight, horizontal phase, vertical phase, turns per loop
  echo "$1*exp(-(pow((X/W-0.5-0.38*cos(2*PI*($4*T/$seconds+$2)))*1.5\,2)+pow(Y/H-0.5-0.34*sin(2*PI*(T/$seconds+$3))\,2))*5.5)"
}
red="13+$(light 62 0.1 0.0 1)+$(light 10 0.6 0.4 2)"
green="18+$(light 18 0.1 0.0 1)+$(light 52 0.6 0.4 2)+$(light 16 0.85 0.75 1)"
blue="38+$(light 62 0.1 0.0 1)+$(light 50 0.6 0.4 2)+$(light 62 0.85 0.75 1)"
ffmpeg -v error -y -f lavfi -i "color=black:s=160x90:r=25:d=$seconds,format=gbrp" -filter_complex \
  "[0]geq=r='$red':g='$green':b='$blue',scale=640:360:flags=bicubic:out_color_matrix=bt709:out_range=tv,format=yuv420p,ass=$scratch/scene.ass" \
  -c:v libx264 -preset veryslow -profile:v main -level 3.0 -crf "${CRF:-21}" -bf 0 -g 25 -keyint_min 25 -sc_threshold 0 \
  -threads 1 -x264-params "open-gop=0:force-cfr=1:aq-mode=3" -color_primaries bt709 -color_trc bt709 -colorspace bt709 \
  -fflags +bitexact -flags:v +bitexact -map_metadata -1 -video_track_timescale 48000 "$scratch/video.mp4"

# The sound: a soft bell on every second (a brighter one where the loop begins) over a quiet chord. All frequencies are
# multiples of 1/16 Hz and the bell has died away after a second, so three loops in a row are one unbroken wave.
bell="(1-exp(-900*mod(t\,1)))*exp(-9*mod(t\,1))"
first="lt(mod(t\,$seconds)\,1)"
tick="0.30*$bell*(sin(2*PI*880*t)+0.35*sin(2*PI*1760*t)+0.8*$first*sin(2*PI*1318.5*t))"
chord="0.035*sin(2*PI*110*t)+0.030*sin(2*PI*164.8125*t)+0.022*sin(2*PI*277.1875*t)"
sway="(0.5+0.25*sin(2*PI*t/8))"
ffmpeg -v error -y -f lavfi -i "aevalsrc='$tick+($chord)*2*$sway|$tick+($chord)*2*(1-$sway)':s=48000:d=$((3 * seconds))" \
  -c:a aac -profile:a aac_low -b:a 80k -fflags +bitexact -flags:a +bitexact -map_metadata -1 "$scratch/audio.mp4"

# The middle loop of three: its first and last AAC frames have true neighbours, so the seam cannot be heard, and the
# encoder's priming frame lies outside.
ffmpeg -v error -y -ss "$seconds" -i "$scratch/audio.mp4" -t "$seconds" -c copy -f adts "$scratch/loop.aac"
ffmpeg -v error -y -i "$scratch/video.mp4" -i "$scratch/loop.aac" -c copy -bsf:a aac_adtstoasc -map 0:v -map 1:a \
  -fflags +bitexact -map_metadata -1 -video_track_timescale 48000 -use_editlist 0 -movflags +faststart "$here/countersign.mp4"

ls -l "$here/countersign.mp4"
