#include "bitkernels.h"
