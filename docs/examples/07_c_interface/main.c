/* Segments a photo from C: main MODEL PHOTO.ppm IDS.pgm. MODEL is a file of `rein export`, a run or a checkpoint; the
 * photo a binary PPM (P6) of 8 bits, as `pngtopnm` or ImageMagick write it; the ids are the gray values of the PGM. */
#include <stdio.h>
#include <stdlib.h>

#include "rein.h"

static int fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  return 1;
}

int main(int argc, char **argv) {
  rein_model *model;
  FILE *file;
  unsigned char *rgb, *ids;
  int width = 0, height = 0, status;
  size_t pixels;

  if (argc != 4) return fail("usage", "main MODEL PHOTO.ppm IDS.pgm");
  file = fopen(argv[2], "rb");
  if (file == NULL || fscanf(file, "P6 %d %d 255", &width, &height) != 2 || fgetc(file) == EOF || width < 1 ||
      height < 1 || width > 32768 || height > 32768)
    return fail(argv[2], "is not a binary PPM");
  pixels = (size_t)width * (size_t)height;
  rgb = malloc(3 * pixels);
  ids = malloc(pixels);
  if (rgb == NULL || ids == NULL) return fail(argv[2], "is too large");
  if (fread(rgb, 3, pixels, file) != pixels) return fail(argv[2], "was cut");
  fclose(file);

  model = rein_open(argv[1], NULL);
  if (model == NULL) return fail(argv[1], rein_error(NULL));
  printf("%d classes, from %s to %s\n", rein_class_count(model), rein_class_name(model, 0),
         rein_class_name(model, rein_class_count(model) - 1));
  status = rein_segment_u8(model, rgb, width, height, 3 * (size_t)width, ids, (size_t)width, NULL);
  if (status != REIN_OK) return fail(argv[2], rein_error(model));
  rein_close(model);

  file = fopen(argv[3], "wb");
  if (file == NULL) return fail(argv[3], "cannot be written");
  fprintf(file, "P5 %d %d 255\n", width, height);
  fwrite(ids, 1, pixels, file);
  if (fclose(file) != 0) return fail(argv[3], "cannot be written");
  free(rgb);
  free(ids);
  return 0;
}
