#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Trains a codec and its enhancers from a folder of images in a given time (docs/training.md, GPUs).
set -euo pipefail

# stage, share of the minutes in percent
stages="
transform       24
latent           8
codec           34
pairs           10
enhancer-x1      9
enhancer-x2      8
enhancer-layers  7
"
valid_every=16 # each 16th image is for validation
pairs_least=8  # of each kind, whatever time they take

usage() {
    cat <<'TEXT'
usage: gpu_recipe.sh FOLDER OUT --minutes N [OPTION...]

Trains transform, codec (link) and enhancers from the images in FOLDER. OUT/models gets the model files. The same
command resumes an interrupted training.

  --minutes N      time of the whole training, interruptions excluded
  --device D       auto, cpu or cuda (default: auto)
  --processes N    processes, one for each GPU (default: 1)
  --batch N        crops per step and process (default: 32)
  --side N         side of a crop in pixels, a multiple of 64 (default: 192)
  --pairs N        largest number of pairs for each enhancer (default: 3000)
  --enhancer TEXT  further options of srec-train enhancer: "--base 32 --blocks 3"
  --data TEXT      training data and their licence, for the cards of the models
TEXT
}

fail() {
    echo "gpu_recipe.sh: $1" >&2
    exit "${2:-2}"
}

folder='' out='' minutes='' device=auto processes=1 batch=32 side=192 pairs=3000 enhancer='' data=''
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --minutes | --device | --processes | --batch | --side | --pairs | --enhancer | --data)
        [ $# -gt 1 ] || fail "$1 needs a value; --help lists the options"
        printf -v "${1#--}" %s "$2"
        shift ;;
    -*) fail "unknown option $1; --help lists the options" ;;
    *)
        if [ -z "$folder" ]; then folder=$1
        elif [ -z "$out" ]; then out=$1
        else fail "too many arguments: $1; --help shows the usage"
        fi ;;
    esac
    shift
done
[ -n "$out" ] || fail "FOLDER and OUT are missing; --help shows the usage"
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ && $minutes =~ [1-9] ]] || fail "--minutes needs a number above 0"
for name in processes batch side pairs; do
    [[ ${!name} =~ ^[1-9][0-9]*$ ]] || fail "--$name ${!name}: a whole number above 0 is needed"
done
[ $((side % 64)) = 0 ] || fail "--side $side: a multiple of 64 is needed"
[ -d "$folder" ] || fail "$folder is no folder of images" 1
read -ra enhancer_options <<<"$enhancer"
train=${SREC_TRAIN:-srec-train}
command -v "$train" >/dev/null || fail "$train is not there: install gr-srec, or set SREC_TRAIN to the command" 1

mkdir -p "$out/stages" "$out/models"
before=$(cat "$out/stages/seconds" 2>/dev/null || echo 0)
trap 'echo $((before + SECONDS)) >"$out/stages/seconds"' EXIT

# Links to the images, those for training and those for validation.
split_images() {
    shopt -s nocaseglob nullglob
    local images=("$folder"/*.{png,jpg,jpeg,bmp,ppm,tif,tiff,webp}) i
    [ ${#images[@]} -ge 2 ] || fail "$folder holds ${#images[@]} images; at least 2 are needed" 1
    rm -rf "$out/images"
    mkdir -p "$out/images/train" "$out/images/valid"
    for i in "${!images[@]}"; do
        local to=train
        [ $((i % valid_every)) != 0 ] || to=valid
        ln -s "$(realpath "${images[i]}")" "$out/images/$to/"
    done
}

# minutes_of STAGE: its time: its share of what is left, among the stages that are not complete. A resumed stage keeps
# the time that it had.
minutes_of() {
    local file=$out/stages/$1.minutes name share rest=0 mine=0
    if [ ! -s "$file" ]; then
        while read -r name share; do
            if [ -z "$name" ] || [ -e "$out/stages/$name.done" ]; then continue; fi
            rest=$((rest + share))
            [ "$name" != "$1" ] || mine=$share
        done <<<"$stages"
        awk -v minutes="$minutes" -v spent=$((before + SECONDS)) -v mine="$mine" -v rest="$rest" \
            'BEGIN { left = minutes - spent / 60; m = left * mine / rest; print (m > 0.01 ? m : 0.01) }' >"$file"
    fi
    cat "$file"
}

# stage NAME COMMAND...: runs a stage that is not complete yet. The command gets its minutes as the last argument.
stage() {
    local name=$1 time
    shift
    [ ! -e "$out/stages/$name.done" ] || return 0
    time=$(minutes_of "$name")
    echo "== $name: $time minutes"
    "$@" "$time"
    touch "$out/stages/$name.done"
}

common=(--device "$device" --processes "$processes" --save 200 --validate 1000000)
images=(--train "$out/images/train" --valid "$out/images/valid" --cache "$out/images/cache")

train_transform() {
    "$train" transform --out "$out/transform" "${images[@]}" "${common[@]}" \
        --batch "$batch" --side "$side" --minutes "$1"
}

train_latent() {
    "$train" link --domain latent --start "$out/transform" --out "$out/latent" "${images[@]}" "${common[@]}" \
        --batch $((2 * batch)) --side "$side" --rate 3e-4 --minutes "$1"
}

train_codec() {
    "$train" link --domain picture --learn-ga --start "$out/latent" --out "$out/codec" "${images[@]}" "${common[@]}" \
        --batch "$batch" --side "$side" --rate 2e-4 --minutes "$1"
    "$train" export "$out/codec" "$out/models/codec.safetensors" --data "$data"
}

# pairs_of KIND SECONDS OPTION...: pairs of one kind, as many as the seconds allow
pairs_of() {
    local kind=$1 seconds=$2 code=0 end=$((SECONDS + $2))
    shift 2
    "$train" pairs --pictures "$out/images/valid" --out "$out/pairs/$kind-valid" --grid --count 2 "$@"
    local make=("$train" pairs --pictures "$out/images/train" --out "$out/pairs/$kind" "$@")
    "${make[@]}" --count "$((pairs < pairs_least ? pairs : pairs_least))"
    seconds=$((end - SECONDS))
    [ "$seconds" -gt 0 ] || return 0
    timeout --foreground --signal=TERM "$seconds" "${make[@]}" --count "$pairs" || code=$?
    [ $code = 0 ] || [ $code = 124 ] || return $code # 124: the time is over
}

make_pairs() {
    local seconds threads id started=() model=(--model "$out/models/codec.safetensors")
    seconds=$(awk -v minutes="$1" 'BEGIN { printf "%d", 60 * minutes }')
    threads=$((($(nproc) + 2) / 3))
    mkdir -p "$out/pairs"
    pairs_of x1 "$seconds" "${model[@]}" --threads $threads & started+=($!)
    pairs_of x2 "$seconds" "${model[@]}" --threads $threads --scale 2 & started+=($!)
    pairs_of layers "$seconds" --coding layers --threads $threads & started+=($!)
    local code=0
    for id in "${started[@]}"; do wait "$id" || code=$?; done
    return $code
}

# train_enhancer KIND MINUTES
train_enhancer() {
    local crop=$((side < 128 ? side : 128)) kind=$1 model=$out/models/enhancer-$1.safetensors
    local run=(--out "$out/enhancer-$kind" --train "$out/pairs/$kind" --valid "$out/pairs/$kind-valid" --side "$crop"
        "${common[@]}" --batch "$batch" --loss image --optimiser muon --rate 1e-3)
    # Layers: the correction scales with the known error, and the errors are local (docs/enhancer.md).
    [ "$kind" != layers ] || run+=(--proportional 1 --unet 16 24 32)
    run+=("${enhancer_options[@]}")
    "$train" enhancer "${run[@]}" --minutes "$2"
    "$train" enhancer "${run[@]}" --name "enhancer-$kind" --data "$data" --export "$model"
}

[ -e "$out/stages/transform.done" ] || split_images
stage transform train_transform
stage latent train_latent
stage codec train_codec
stage pairs make_pairs
for kind in x1 x2 layers; do
    stage "enhancer-$kind" train_enhancer "$kind"
done
echo "== complete: $(cd "$out/models" && echo *) in $out/models"
