/* rein.h: semantic segmentation with a trained model, from C. Link with -lrein; no other header is needed.
 *
 *   rein_model *model = rein_open("model.rein", NULL);
 *   if (model == NULL) puts(rein_error(NULL));
 *   if (rein_segment_u8(model, rgb, width, height, 3 * width, ids, width, NULL) != REIN_OK) puts(rein_error(model));
 *   rein_close(model);
 *
 * The ids are those of `rein predict` with the same options, to the byte. Nothing here prints, exits or throws: a
 * function that fails says so by its result, and rein_error tells why. Handles that are null, closed or made up are
 * such failures, too. Any number of threads may call anything; two models work at the same time, calls on one model
 * take turns. Sizes are in pixels, pitches in bytes, strings in UTF-8. The environment variables REIN_ISA, REIN_KERNEL,
 * REIN_THREADS and REIN_WEIGHTS_DIR mean what they mean to the program; on a busy machine OMP_WAIT_POLICY=passive, set
 * before the program starts, keeps waiting threads from spinning.
 *
 * Names and meanings here stay as they are while REIN_ABI does, and new ones may be added; the library's soname ends in
 * that number.
 */
#ifndef REIN_H
#define REIN_H

#include <stddef.h>

#if defined(__GNUC__)
#define REIN_API __attribute__((visibility("default")))
#else
#define REIN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define REIN_ABI 1

/* What functions that return int give, unless they say otherwise. */
#define REIN_OK 0
#define REIN_BAD_ARGUMENT 1  /* the caller's mistake */
#define REIN_FAILED 2        /* a file, a device, the system */
#define REIN_OUT_OF_MEMORY 3 /* of this machine or the device */

typedef struct rein_model rein_model;
typedef struct rein_options rein_options;

/* "0.2.0", and the REIN_ABI that the library was built with. */
REIN_API const char* rein_version(void);
REIN_API int rein_abi(void);

/* Why the last failed call with this model failed; of NULL or what is no open model, why this thread's last failed call
 * without one failed. Never NULL, "" when nothing failed. Valid until this thread calls rein_error again. */
REIN_API const char* rein_error(const rein_model* model);

/* Options for rein_open, by name. NULL when memory is short. Numbers may be given as text, too.
 *
 *   window      number  side of the sliding window in pixels, 0: whole photos; default: the run's
 *   stride      number  distance of windows; default: two thirds of the window, or the run's with the run's window
 *   batch       number  windows per forward pass; default: the run's. Changes memory and time, not ids
 *   threads     number  of the kernels; default: REIN_THREADS, or all cores. Changes time, not ids
 *   device      text    "cpu" (default), "cuda" or "cuda:N"
 *   precision   text    "f32" or "bf16"; default: the run's
 *   backbone    text    the backbone's file, of a run or checkpoint that was moved; default: the recorded path
 */
REIN_API rein_options* rein_options_new(void);
REIN_API void rein_options_free(rein_options* options);
REIN_API int rein_options_set_text(rein_options* options, const char* name, const char* value);
REIN_API int rein_options_set_number(rein_options* options, const char* name, long value);

/* Opens a file that `rein export` wrote, a run's folder (its best checkpoint) or a checkpoint's folder. `options` may
 * be NULL, and is not kept. NULL on failure: rein_error(NULL). */
REIN_API rein_model* rein_open(const char* path, const rein_options* options);
/* Calls that other threads are in end first. NULL is allowed. REIN_BAD_ARGUMENT when the model is not open. */
REIN_API int rein_close(rein_model* model);

/* How many classes: ids are 0 to that less one, at most 254. Negative on failure. */
REIN_API int rein_class_count(const rein_model* model);
/* NULL on failure. Valid until the model is closed. */
REIN_API const char* rein_class_name(const rein_model* model, int id);
/* The colour of a class, as red, green and blue. */
REIN_API int rein_class_color(const rein_model* model, int id, unsigned char rgb[3]);
/* The side in pixels of the square images that the model's position grid is for (the training crop); photos may have
 * any size. Negative on failure. */
REIN_API int rein_native_size(const rein_model* model);

/* Class ids of a photo, at its size. `rgb`: height rows of width pixels, red, green and blue in a byte each, rows
 * `pitch` bytes apart (at least 3 * width). `ids`: rows `ids_pitch` bytes apart (at least width, or 2 * width).
 * `scores` may be NULL; else it gets height * width * classes numbers without gaps, the scores whose largest decides,
 * class by class within a pixel. Photos of up to 32768 a side and 2^27 pixels. On failure ids and scores may be
 * unchanged or partly written. */
REIN_API int rein_segment_u8(rein_model* model, const unsigned char* rgb, int width, int height, size_t pitch,
                             unsigned char* ids, size_t ids_pitch, float* scores);
REIN_API int rein_segment_u16(rein_model* model, const unsigned char* rgb, int width, int height, size_t pitch,
                              unsigned short* ids, size_t ids_pitch, float* scores);

#ifdef __cplusplus
}
#endif

#endif
