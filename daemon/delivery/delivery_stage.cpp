#include "daemon/delivery/delivery_stage.hpp"
